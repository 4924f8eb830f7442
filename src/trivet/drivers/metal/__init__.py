"""Physical servers, deployed by Ironic and wired by their switches."""
