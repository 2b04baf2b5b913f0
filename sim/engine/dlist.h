#ifndef SIM_ENGINE_DLIST_H
#define SIM_ENGINE_DLIST_H

/* Doubly linked lists of what has members 'prev' and 'next' of its own type: put in front and taken out in constant
 * time
 *
 * 'head' is the pointer to the first; an item is in one list at most, and its own 'next' is kept when it is taken out,
 * so that a loop may go on from there. */

#define dlist_push(head, item)                                                                                         \
    do {                                                                                                               \
        (item)->prev = NULL;                                                                                           \
        (item)->next = (head);                                                                                         \
        if ((item)->next)                                                                                              \
            (item)->next->prev = (item);                                                                               \
        (head) = (item);                                                                                               \
    } while (0)

#define dlist_remove(head, item)                                                                                       \
    do {                                                                                                               \
        if ((item)->prev)                                                                                              \
            (item)->prev->next = (item)->next;                                                                         \
        else                                                                                                           \
            (head) = (item)->next;                                                                                     \
        if ((item)->next)                                                                                              \
            (item)->next->prev = (item)->prev;                                                                         \
    } while (0)

#endif
