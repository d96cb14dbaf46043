"""A sweep's work: files measured in processes here or elsewhere, and each point kept."""
