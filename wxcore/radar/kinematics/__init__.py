"""What unfolded Doppler velocities say of storms: shear, divergence, low-level wind, and hints by storm."""
