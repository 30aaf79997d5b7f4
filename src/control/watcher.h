/* SPDX-License-Identifier: Apache-2.0 */
/* Tells one client how far a migration or a snapshot is, and how it ended. */
#ifndef CONTROL_WATCHER_H
#define CONTROL_WATCHER_H

struct control_client;
struct control_stream;
struct migration;
struct watcher;

/* The stream that becomes the client's, and watches migration. -ENOMEM. */
int watcher_create(struct control_client *client, struct migration *migration,
		   struct watcher **ret_watcher);
struct control_stream *watcher_stream(struct watcher *watcher);

/* The migration has ended; it is not looked at any more. The watcher may be gone afterwards. */
void watcher_end(struct watcher *watcher);

#endif
