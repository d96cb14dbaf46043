"""Measuring a family of models at several widths, for the scaling law."""
