"""Running agents on tasks: plan, schedule, attempt, resume."""
