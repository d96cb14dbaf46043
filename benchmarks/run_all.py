"""All measurements, one after the other; each prints its table and writes benchmarks/results/."""

import architectures
import checks
import conversion
import quality
import speed
import sst2

for script in (conversion, quality, speed, sst2, checks, architectures):
    print(f"\n{script.__doc__.splitlines()[0]}")
    script.main()
