"""Problems the tiny recipe makes for itself."""
