"""What a sweep is asked for, finds and recommends: plain data, read and judged without torch."""
