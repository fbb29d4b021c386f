"""Which release is the target: sources asked, candidates ranked, one selected; and the container registry."""
