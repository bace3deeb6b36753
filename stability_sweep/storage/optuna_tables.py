"""Those of Optuna's tables and columns that our statements join with; Optuna owns them."""

from sqlalchemy import column, table

studies = table("studies", column("study_id"), column("study_name"))
study_user_attributes = table("study_user_attributes", column("study_id"), column("key"), column("value_json"))
trials = table("trials", column("trial_id"), column("study_id"), column("number"), column("state"))
trial_params = table(
    "trial_params", column("trial_id"), column("param_name"), column("param_value"), column("distribution_json")
)
