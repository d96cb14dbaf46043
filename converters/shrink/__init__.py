"""Smaller models before quantization: pruning, vocabulary trimming, distillation."""
