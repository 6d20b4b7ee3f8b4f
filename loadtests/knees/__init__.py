"""Where what is done well no longer follows what is asked, and what that says of one core."""
