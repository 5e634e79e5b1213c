"""Margins of XGBoost's trees without their bias, an independent check of SHAP values."""

from __future__ import annotations

import numpy as np
from xgboost import DMatrix

from genrefusion.models.tabular import TabularModel


def margin_less_bias(model: TabularModel, rows: np.ndarray) -> np.ndarray:
    booster = model.estimator.get_booster()
    margin = booster.predict(DMatrix(rows), output_margin=True).reshape(len(rows), -1)
    bias = booster.predict(DMatrix(rows), pred_contribs=True, strict_shape=True)[:, :, -1]
    difference = margin - bias
    return difference if difference.shape[1] > 1 else np.hstack([np.zeros_like(difference), difference])
