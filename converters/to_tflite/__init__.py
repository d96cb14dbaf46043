"""TFLite: float graph and bindings; writer of quantized files."""
