"""Task metrics of exported files and of their sources, over labelled data.

Needs the extra ``evaluate``: scikit-learn, scipy, seqeval, sacrebleu and rouge-score define the
metrics; this package reads the data, maps labels, runs the models and puts intervals around what
the libraries give. Perplexity is its own.
"""

from edgekit.evaluate.run import Evaluation, Scores, evaluate
from edgekit.evaluate.subjects import SOURCE

__all__ = ["SOURCE", "Evaluation", "Scores", "evaluate"]
