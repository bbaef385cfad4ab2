"""forkloop's orchestrator: deploys stacks, verifies that they answer alike, loads them, and stores what was measured."""
