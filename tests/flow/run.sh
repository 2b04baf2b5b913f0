#!/bin/bash
# Recorded flows of a real kernel; see record.h.
exec "${BUILD:-build}/flow" "$@"
