"""What the agent shows: `workload_app` on each workload's own address, `control_app` to its operator."""
