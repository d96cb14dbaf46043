"""Other devices from this machine: kernels of other CPUs, the web, and what sets them up."""
