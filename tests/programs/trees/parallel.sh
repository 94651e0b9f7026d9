#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# GNU parallel: output of four jobs at a time, kept in order.
# shellcheck disable=SC2016
seq $((60 * ${SCALE:-1})) | parallel --will-cite -k -j 4 'sleep 0.0{= $_ %= 10 =}; seq {} 2000 | sha256sum'
echo "result $?"
