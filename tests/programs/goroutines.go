// SPDX-License-Identifier: Apache-2.0

// Go: some hundreds of goroutines that talk over channels, a garbage collector that is kept busy,
// tickers and timers. Linked statically; the runtime makes its system calls without a libc.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	workers = 400
	items   = 150
)

// mix is one round of splitmix64.
func mix(hash, value uint64) uint64 {
	z := (hash ^ value) + 0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// work makes garbage: maps and strings that live for one item.
func work(seed uint64) uint64 {
	hash := seed
	for i := uint64(0); i < items; i++ {
		words := map[string]uint64{}
		for k := uint64(0); k < 8; k++ {
			words[strconv.FormatUint(mix(hash, k), 36)] = k
		}
		names := make([]string, 0, len(words))
		for name := range words {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			hash = mix(hash, words[name]+uint64(len(name)))
		}
	}
	return hash
}

// step lets every worker hand its result to its neighbour, and adds them up in their order.
func step(number int) uint64 {
	links := make([]chan uint64, workers+1)
	for i := range links {
		links[i] = make(chan uint64)
	}
	for i := 0; i < workers; i++ {
		go func(i int) {
			own := work(mix(uint64(number), uint64(i)))
			links[i+1] <- mix(<-links[i], own)
		}(i)
	}
	links[0] <- uint64(number)
	return <-links[workers]
}

// tick keeps timers going; only whether they ever fired may be told.
func tick(stop <-chan struct{}, fired *int64, done *sync.WaitGroup) {
	defer done.Done()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			time.AfterFunc(time.Millisecond, func() { atomic.AddInt64(fired, 1) })
		case <-stop:
			return
		}
	}
}

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

func main() {
	var fired int64
	var done sync.WaitGroup
	stop := make(chan struct{})
	steps := 10
	if len(os.Args) > 1 {
		steps = number(os.Args[1], steps)
	}
	steps *= number(os.Getenv("SCALE"), 1)

	debug.SetGCPercent(20)
	done.Add(1)
	go tick(stop, &fired, &done)
	hash := uint64(0)
	for i := 1; i <= steps; i++ {
		hash = mix(hash, step(i))
		fmt.Printf("step %d %016x\n", i, hash)
	}
	close(stop)
	done.Wait()
	if atomic.LoadInt64(&fired) == 0 {
		fmt.Fprintln(os.Stderr, "wrong: no timer fired")
		os.Exit(1)
	}
	fmt.Printf("result %016x\n", hash)
}
