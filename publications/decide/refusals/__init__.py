"""Why a plan must not be carried out: every reason at once, each with its next step. Pure."""
