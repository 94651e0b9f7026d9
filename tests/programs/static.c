/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pipeline of threads, linked statically (with glibc and with musl): a source, stages that each
 * transform what comes by, a sink that hashes it; bounded queues with a mutex and two conditions.
 * An interval timer ticks all the while, as it does under a profiler.
 */
#include <signal.h>
#include <sys/time.h>

#include "program.h"

enum { STAGES = 4, ROOM = 64, ITEMS = 1500, BATCH = 96 };

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled, drained;
	unsigned head, count;
	uint64_t item[ROOM];
};

static struct queue queues[STAGES + 1];
static long total;
static volatile sig_atomic_t ticks;

static void tick(int sig)
{
	(void)sig;
	ticks++;
}

static void put(struct queue *q, uint64_t item)
{
	pthread_mutex_lock(&q->lock);
	while (q->count == ROOM)
		pthread_cond_wait(&q->drained, &q->lock);
	q->item[(q->head + q->count++) % ROOM] = item;
	pthread_cond_signal(&q->filled);
	pthread_mutex_unlock(&q->lock);
}

static uint64_t take(struct queue *q)
{
	uint64_t item;

	pthread_mutex_lock(&q->lock);
	while (q->count == 0)
		pthread_cond_wait(&q->filled, &q->lock);
	item = q->item[q->head];
	q->head = (q->head + 1) % ROOM;
	q->count--;
	pthread_cond_signal(&q->drained);
	pthread_mutex_unlock(&q->lock);
	return item;
}

/* Some work for an item: sort a batch of numbers that follow from it. */
static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t transform(uint64_t item)
{
	uint64_t batch[BATCH], hash = item;

	for (int i = 0; i < BATCH; i++)
		batch[i] = mix(item, (uint64_t)i);
	qsort(batch, BATCH, sizeof(batch[0]), compare);
	for (int i = 0; i < BATCH; i++)
		hash = mix(hash, batch[i]);
	return hash;
}

static void *source(void *arg)
{
	(void)arg;
	for (long i = 0; i < total; i++)
		put(&queues[0], (uint64_t)i);
	return NULL;
}

static void *stage(void *arg)
{
	struct queue *from = arg;

	for (long i = 0; i < total; i++)
		put(from + 1, transform(take(from)));
	return NULL;
}

static void start_timer(void)
{
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	struct itimerval every = {{0, 10000}, {0, 10000}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

int main(int argc, char **argv)
{
	long n = steps(argc, argv, 10);
	pthread_t threads[STAGES + 1];
	uint64_t hash = 0;

	total = n * ITEMS;
	for (int i = 0; i <= STAGES; i++) {
		pthread_mutex_init(&queues[i].lock, NULL);
		pthread_cond_init(&queues[i].filled, NULL);
		pthread_cond_init(&queues[i].drained, NULL);
	}
	start_timer();
	pthread_create(&threads[STAGES], NULL, source, NULL);
	for (int i = 0; i < STAGES; i++)
		pthread_create(&threads[i], NULL, stage, &queues[i]);
	for (long i = 0; i < total; i++) {
		hash = mix(hash, take(&queues[STAGES]));
		if ((i + 1) % ITEMS == 0)
			progress((i + 1) / ITEMS, hash);
	}
	for (int i = 0; i <= STAGES; i++)
		pthread_join(threads[i], NULL);
	expect(ticks > 0, "the timer never ticked");
	return result(hash);
}
