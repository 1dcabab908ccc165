"""The parts of the training loop: settings, schedule, regularisers, state, the run's identity, the best bundles, other processes."""
