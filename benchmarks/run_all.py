"""All measurements, one after the other; each prints its table and writes benchmarks/results/."""

import architectures
import budget
import calibration
import checks
import codebooks
import conversion
import generation_memory
import generation_quality
import generation_speed
import image_kernels
import images
import kbit_files
import kbit_quality
import prune
import quality
import scaling
import speed
import sst2
import tensorflow_path

for script in (
    conversion, quality, speed, sst2, checks, architectures, calibration, kbit_files, kbit_quality,
    budget, codebooks, image_kernels, images, tensorflow_path, generation_speed, generation_memory,
    generation_quality, scaling, prune,
):  # fmt: skip
    print(f"\n{script.__doc__.splitlines()[0]}")
    script.main()
