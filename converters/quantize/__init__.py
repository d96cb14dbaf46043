"""Quantization: methods, calibration statistics, equalization, plan (recipe -> grid per tensor)."""
