"""The binary laboratory: `laboratory` and `table` follow a run, `race` a toy; `job` is work in a thread."""
