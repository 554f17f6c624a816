//! How steady the spend is: coherence, phase, entropy and the state they make.
