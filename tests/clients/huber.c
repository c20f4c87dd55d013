// Huber(delta=0.7, reduction="none"): cc -O2 -DREAL=double -o huber huber.c -lm; for float32 -DREAL=float
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static const REAL delta = 0.7;
static REAL loss(REAL y, REAL yhat) {
    const REAL a = fabs(yhat - y);
    return a <= delta ? a * a / 2 : delta * (a - delta / 2);
}
static REAL slope(REAL y, REAL yhat) { return yhat - y < -delta ? -delta : yhat - y > delta ? delta : yhat - y; }
// ---- reflosses asks, and this program answers ----
enum { MOST = 1 << 20 };  // numbers of an array
static char line[1 << 17];
static REAL y[MOST], yhat[MOST], value[MOST], gradient[MOST];
static size_t read_list(const char *key, REAL *out) {  // Infinity and NaN stand in quotes
    char *p = strstr(line, key) + strlen(key), *end;
    for (size_t n = 0;; n++, p = end)
        if (p += strspn(p, ", \""), out[n] = strtod(p, &end), end == p) return n;
}
static void write_list(const char *key, const REAL *a, size_t n) {
    printf("%s", key);
    for (size_t i = 0; i < n; i++) printf("%s\"%a\"", i ? ", " : "", a[i]);
}
int main(void) {
    if (!fgets(line, sizeof line, stdin)) return 1;
    const char *dtype = sizeof(REAL) == 4 ? "\"float32\"" : "\"float64\"";
    puts(strstr(line, dtype) ? "{\"reflosses\": 1, \"binary\": true}" : "{\"error\": \"it has another dtype\"}");
    while (fflush(stdout), fgets(line, sizeof line, stdin)) {
        char *counts = strstr(line, "\"counts\": [");  // of large arrays, which follow as bytes
        size_t n = counts ? strtoul(counts + 11, NULL, 10) : read_list("\"y\": [", y);
        if (!counts) read_list("\"yhat\": [", yhat);
        else if (n > MOST || fread(y, sizeof *y, n, stdin) + fread(yhat, sizeof *y, n, stdin) < 2 * n) return 1;
        for (size_t i = 0; i < n; i++) value[i] = loss(y[i], yhat[i]), gradient[i] = slope(y[i], yhat[i]);
        if (counts) printf("{\"counts\": [%zu, %zu]}\n", n, n);
        if (counts) fwrite(value, sizeof *y, n, stdout), fwrite(gradient, sizeof *y, n, stdout);
        else write_list("{\"value\": [", value, n), write_list("], \"gradient\": [", gradient, n), puts("]}");
    }
}
