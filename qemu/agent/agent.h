/* The guest agent: PID 1 of the lab's virtual machine.
 *
 * It speaks over a virtio-serial port of its own, in messages "TYPE NONCE LENGTH\n" followed by LENGTH bytes. The host
 * sends one "run" (or "shell", see shell.c); the agent mounts, starts the case, unmounts, and reports until it is restored or
 * killed: "start", "mount" and "system" (an errno), "out" (output as it comes), "beat" (alive), "hang" (a report of a case that stopped moving;
 * repeated while it lasts), "exit" (status and signal of the case), "umount" (an errno), "timeout", "done". The agent never decides
 * what a run means.
 */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAXTHREADS 512
#define SCAN_MS 100   /* between two looks at the case's threads */
#define BEAT_MS 500   /* between two signs of life */

/* port.c */
void port_open(void);
void send_msg(const char *type, const void *data, size_t len);
/* Waits for the next message of the host: its type, its data with a NUL behind (room for max + 1), the data's length. */
size_t read_msg(char *type, size_t tsize, char *data, size_t max);
/* Takes the next of the strings, each ended by a NUL, between *p and end; "" when there is no more. */
char *next_string(char **p, char *end);
#define COMMAND_MAX (64 << 10) /* bytes of data of the host's longest message */
extern char nonce[64];
extern int port;

/* main.c */
void node(const char *path, unsigned maj, unsigned min);
int find_disk(const char *serial, const char *path);

/* shell.c */
/* Serves a person until the shell ends. */
void shell(char *data, size_t len);

/* watch.c */
struct task;
enum verdict { MOVING, DEADLOCK, LIVELOCK, REFAULT };
void watch_reset(void);
/* After a DEADLOCK that turned out to wait for the clock: not again before as many looks. */
void watch_again(void);
/* One look at every user thread but the agent's; what the looks so far add up to. */
enum verdict watch_scan(int deadlock_scans, int livelock_scans);
/* For how many seconds a LIVELOCK or REFAULT has lasted. */
double watch_seconds(void);
/* The thread of a LIVELOCK or REFAULT, and that it was none: not again before as many looks. */
const struct task *watch_task(void);
void watch_moves(void);
/* For how many looks some thread in D state has not moved, 0 when there is none or the disks work. */
int watch_stuck(void);

/* report.c */
/* Sends "hang" with the stacks of the case's threads and of blocked kernel threads, and what I/O the threads are in. Returns 0
 * without sending when that ends by itself: of a "deadlock" when a thread waits for a time that will come, of "stuck" threads
 * when all do. */
int report_hang(const char *kind, double seconds);

/* Whether a thread has more page faults than its address space has pages before it returns to user space. */
int faults_in_one_call(const struct task *t);
/* Whether a thread uses the CPU and does not get on in user space: its system call does not return, or it is in none. */
int spins_in_kernel(const struct task *t);

/* clock.c */
/* Has sysrq-w print the blocked threads; clock_waits says which of them wait for a time that will come. */
void clock_read(void);
int clock_waits(int tid);
void clock_reset(void);
void clock_line(char *s);

/* io.c */
/* Writes to f which file each user thread does I/O on, and which files the memory is mapped from that it gave for it. */
void report_io(FILE *f, int agent);

/* util.c */
uint64_t now_ms(void);
int read_file(const char *path, char *buf, size_t size); /* length, or -1; always terminated */
int write_file(const char *path, const char *text);
void die(const char *what);

struct task {
	int pid, tid, kthread;
	char state;
	uint64_t utime, stime; /* clock ticks */
	uint64_t faults;       /* minor and major */
	uint64_t pages;        /* of the address space */
	uint64_t switches;     /* voluntary and not */
};
/* Reads /proc/PID/task/TID; -1 when it has gone. Takes no lock that a stuck task can hold. */
int read_task(int pid, int tid, struct task *t, int with_switches);

#endif
