"""What is really in a file: tensors, bits, operators, delegate partitions, and whose weights."""

from edgekit.audit.audit import audit_file
from edgekit.audit.records import FileAudit, StoredTensor, TensorRecord, Transform

__all__ = ["FileAudit", "StoredTensor", "TensorRecord", "Transform", "audit_file"]
