"""Latency and memory of exported files, measured in processes of their own."""
