#ifndef MODEL_SCENARIO_SEARCH_H
#define MODEL_SCENARIO_SEARCH_H

/* Searching a parameter for the value at which nothing is lost
 *
 * The scenario is run at some values over the whole range, then between the last that loses and the first that does
 * not, by halves, down to the step.  Which way is better is read off the ends of the range.  A curve that goes up and
 * down is told as such: halving then found one border of several.  If something is lost everywhere, but no less over a
 * part of the range, that much is the floor and the border to that part is searched. */

#include "model/scenario/variant.h"

typedef struct {
    char *field;   /* "deployment/web.preStop" */
    bool duration; /* Values are nanoseconds; else whole numbers. */
    int64_t low, high, step;
} SearchRange;

/* "OBJECT.FIELD=LOW..HIGH", a number or duration each (the unit of LOW may be left out); 'step' NULL: 1 s or 1. */
bool search_range_parse(const char *text, const char *step, SearchRange *ret_range);
void search_range_clear(SearchRange *range);
char *search_value_text(const SearchRange *range, int64_t value);

typedef struct {
    int64_t value;
    uint32_t tried, lost;      /* Over all seeds. */
    char *error;               /* It could not run; or NULL. */
    bool interrupted, limited; /* Limited: by the number of events. */
    Measures *measures;        /* Of the first seed that lost something, else of the first; NULL: none. */
} SearchPoint;

typedef enum {
    SEARCH_SMALLEST, /* 'best' and what is above lose nothing. */
    SEARCH_LARGEST,  /* 'best' and what is below. */
    SEARCH_ALL,      /* No value loses anything. */
    SEARCH_NONE,     /* Every value does; 'best' is the one that loses least. */
    SEARCH_FAILED,   /* Errors, or interrupted before an answer. */
} SearchVerdict;

typedef struct {
    SearchVerdict verdict;
    int64_t best;
    bool monotone;
    uint32_t floor;      /* So many are lost at every value, for another reason; 'best' is about the rest. */
    SearchPoint *points; /* By value. */
    uint32_t n_points;
} SearchResult;

void search_run(const char *const *files, size_t n_files, const SearchRange *range, const uint64_t *seeds,
                size_t n_seeds, const volatile sig_atomic_t *stop, SearchResult *ret_result);
void search_result_clear(SearchResult *result);
/* In which the run told of lost most; NULL: none. */
const LossWindow *search_worst_window(const SearchPoint *point);
const SearchPoint *search_point(const SearchResult *result, int64_t value); /* NULL: not run. */

#endif
