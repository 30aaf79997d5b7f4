/* SPDX-License-Identifier: Apache-2.0 */
/* Error text: how a failure carries its reason from where it is known to where it is printed. */
#ifndef FERRY_ERROR_H
#define FERRY_ERROR_H

/*
 * A function that can fail returns a negative errno. Where the reason is known it is attached to
 * the failure with because(); whoever prints it asks error_text(). The text belongs to the calling
 * thread, like errno, and is at most ERROR_TEXT_MAX - 1 bytes long (longer text is cut).
 */
#define ERROR_TEXT_MAX 1024

/* Replaces this thread's text and returns err unchanged, so that it can stand in a return. */
int because(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Puts a prefix and ": " in front of this thread's text: "disk.img: cannot open: …". Where there is
 * no text yet, strerror(-err) takes its place. Returns err.
 */
int because_of(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* This thread's text; strerror(-err) where nobody attached one. Valid until the next because(). */
const char *error_text(int err);

/* Forgets this thread's text. A thread that starts a new, unrelated request calls it first. */
void error_clear(void);

#endif
