"""One module per task: preparing inputs, reading outputs, the parity metrics that matter for it."""

from edgekit.tasks.base import Decision, Example, Task, TaskMetrics
from edgekit.tasks.registry import get_task, task_names

__all__ = ["Decision", "Example", "Task", "TaskMetrics", "get_task", "task_names"]
