#!/usr/bin/env -S R_HOME=@R_HOME@ R_DEFAULT_PACKAGES=NULL @R_HOME@/bin/exec/R --vanilla --no-echo -f
# SPDX-License-Identifier: Apache-2.0
# R: random numbers, data frames, strings, closures, lists that make garbage, and a matrix product
# of whole numbers. The first line calls R itself, without the packages that run other programs:
# R's front ends are shell scripts that fork.

argument <- suppressWarnings(as.integer(rev(commandArgs())[1]))
scale <- as.integer(Sys.getenv("SCALE", "1"))
steps <- (if (is.na(argument)) 40L else argument) * scale

modulus <- 2147483647
hash <- 1
add <- function(value) hash <<- (hash * 48271 + value) %% modulus

one_step <- function(step) {
  frame <- data.frame(key = sample.int(50L, 4000L, replace = TRUE),
                      value = sample.int(1000L, 4000L, replace = TRUE))
  for (total in tapply(frame$value, frame$key, sum)) add(total)
  words <- sprintf("%03x-%d", frame$key, frame$value)
  for (size in nchar(unique(sort(words)))) add(size)
  nested <- lapply(1:2000, function(i) list(i, letters[i %% 26 + 1]))
  add(length(unlist(nested)))
  a <- matrix(frame$value[1:2500], 50)
  for (entry in diag(a %*% t(a))) add(entry)
}

set.seed(42)
for (step in seq_len(steps)) {
  one_step(step)
  cat(sprintf("step %d %010.0f\n", step, hash))
}
cat(sprintf("result %010.0f\n", hash))
