"""What is to run: `processes.yaml` joined with the WorkloadEntries under `config/`. Start reading at
`plan.py`.
"""
