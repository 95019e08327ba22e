"""The report's ROC curve and its verdicts in the structure that Kubeflow's UI draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CATEGORIES = ("same person", "different people")


def classification_metrics(record: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a `dsl.ClassificationMetrics`, as kfp's own `log_roc_curve` and `log_confusion_matrix` shape it.

    Its `confidenceThreshold` is the distance up to which a pair is accepted: the smaller, the stricter. Rows of the
    matrix are what pairs are, columns what they are called at the report's threshold.

    Args:
        record: what `metrics.json` holds.
    """
    called = record["confusion"]
    return {
        "confidenceMetrics": [
            {"confidenceThreshold": threshold, "recall": val, "falsePositiveRate": far}
            for far, val, threshold in record["roc"]
        ],
        "confusionMatrix": {
            "annotationSpecs": [{"displayName": category} for category in _CATEGORIES],
            "rows": [
                {"row": [called["same_accepted"], called["same_rejected"]]},
                {"row": [called["different_accepted"], called["different_rejected"]]},
            ],
        },
    }
