/* Counts against probabilities.
 *
 * Tries are independent draws, but the recorder gave up after a number of timeouts: then the number of tries is itself
 * a draw.  So timeouts are tested by the exact binomial tails (negative binomial when they ended the series), and the
 * other outcomes among themselves, given their number, by Pearson's chi-square. */

#include <math.h>
#include <string.h>

#include "tests/flow/compare.h"

/* Regularised upper incomplete gamma function Q(a, x): series below a + 1, Lentz's continued fraction above. */
static double
gamma_q(double a, double x)
{
    double factor = exp(-x + a * log(x) - lgamma(a));

    if (x <= 0)
        return 1;
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (double n = a + 1; term > sum * 1e-15; n++) {
            term *= x / n;
            sum += term;
        }
        return 1 - sum * factor;
    }
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int i = 1; i < 1000; i++) {
        double an = -i * (i - a), step;
        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        step = d * c;
        h *= step;
        if (fabs(step - 1) < 1e-15)
            break;
    }
    return factor * h;
}

double
chi2_tail(double chi2, double df)
{
    return df > 0 ? gamma_q(df / 2, chi2 / 2) : 1;
}

/* P(X >= k) of n draws with probability p. */
static double
binomial_from(uint32_t n, uint32_t k, double p)
{
    double sum = 0;

    if (p <= 0)
        return k == 0;
    if (p >= 1)
        return k <= n;
    for (uint32_t i = k; i <= n; i++)
        sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) + i * log(p) + (n - i) * log1p(-p));
    return fmin(sum, 1);
}

static uint32_t
count_of(const RecordedFlow *flow, const FlowResult *like)
{
    uint32_t n = 0;

    for (guint i = 0; i < flow->results->len; i++) {
        const FlowResult *r = flow->results->pdata[i];
        n += same_end(r, like) ? r->count : 0;
    }
    return n;
}

/* One element per end: the first way that ends so; 'ret_probabilities' holds the sums. */
static GPtrArray *
ends(const GPtrArray *ways, GArray **ret_probabilities)
{
    GPtrArray *firsts = g_ptr_array_new();

    *ret_probabilities = g_array_new(FALSE, FALSE, sizeof(double));
    for (guint i = 0; i < ways->len; i++) {
        const FlowResult *way = ways->pdata[i];
        guint k = 0;
        while (k < firsts->len && !same_end(firsts->pdata[k], way))
            k++;
        if (k == firsts->len) {
            g_ptr_array_add(firsts, (gpointer)way);
            g_array_append_val(*ret_probabilities, way->probability);
        } else {
            g_array_index(*ret_probabilities, double, k) += way->probability;
        }
    }
    return firsts;
}

static bool
is_timeout(const FlowResult *r)
{
    return strcmp(r->outcome, "timeout") == 0;
}

/* The recorder stops after ten timeouts among successes. */
#define TIMEOUTS_TO_STOP 10

static double
test_timeouts(uint32_t n, uint32_t k, double p)
{
    bool stopped = k >= TIMEOUTS_TO_STOP;
    double at_least = binomial_from(n, k, p);
    double at_most = stopped ? 1 - binomial_from(n - 1, k, p) : 1 - binomial_from(n, k + 1, p);

    return fmin(1, 2 * fmin(at_least, at_most));
}

double
compare_counts(const RecordedFlow *flow, const GPtrArray *got, CountSums *sums)
{
    g_autoptr(GArray) probabilities = NULL;
    g_autoptr(GPtrArray) kinds = ends(got, &probabilities);
    uint32_t n = 0, n_timeouts = 0, n_others = 0;
    double timeout = 0, chi2 = 0, p = 1;

    for (guint i = 0; i < kinds->len; i++) {
        const FlowResult *r = kinds->pdata[i];
        if (is_timeout(r)) {
            n_timeouts = count_of(flow, r);
            timeout = g_array_index(probabilities, double, i);
        } else {
            n += count_of(flow, r);
            n_others++;
        }
    }
    if (timeout > 0 && n_others > 0) {
        p = test_timeouts(n + n_timeouts, n_timeouts, timeout);
        sums->n_tests++;
    }
    if (n_others < 2 || n == 0)
        return p;
    for (guint i = 0; i < kinds->len; i++) {
        const FlowResult *r = kinds->pdata[i];
        double expected = n * g_array_index(probabilities, double, i) / (1 - timeout);
        if (!is_timeout(r))
            chi2 += (count_of(flow, r) - expected) * (count_of(flow, r) - expected) / expected;
    }
    sums->chi2 += chi2;
    sums->df += n_others - 1;
    sums->n_tests++;
    return fmin(p, chi2_tail(chi2, n_others - 1));
}
