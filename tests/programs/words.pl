#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Perl: regular expressions, hashes, closures, sorting and formatting. Exits with 3, so that one
# program tells whether an exit code gets through.
use strict;
use warnings;

$| = 1;
my $steps = ($ARGV[0] // 60) * ($ENV{SCALE} // 1);
my $hash = 1;

sub add { $hash = ($hash * 48271 + $_[0]) % 2147483647 }

sub generator {
    my $state = shift;
    return sub { $state = ($state * 1103515245 + 12345) % 2147483648 };
}

sub one_step {
    my $next = generator(shift);
    my %count;
    my $text = join ' ', map { sprintf '%s%03d', chr(97 + $_ % 26), $next->() % 700 } 1 .. 9000;
    $count{$1} += $2 while $text =~ /\b([a-z])0*(\d+)\b/g;
    (my $swapped = $text) =~ s/([a-z])(\d+)/$2$1/g;
    add($count{$_}) for sort keys %count;
    add(length) for sort { $a cmp $b } split ' ', $swapped;
}

for my $step (1 .. $steps) {
    one_step($step);
    printf "step %d %010d\n", $step, $hash;
}
printf "result %010d\n", $hash;
exit 3;
