// Runs the vectors of BinaryCrossEntropyWithLogits on a C function, without a JSON library.
// cc consumer.c -lm && ./a.out reflosses/data/vectors/binary_cross_entropy_with_logits.json
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong = 0; // a second argument: the usual gradient, which loses its digits

static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double sigmoid(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double value(double y, double z) {
    if (isnan(z)) return z;
    return (y > 0 ? y * softplus(-z) : 0) + (y < 1 ? (1 - y) * softplus(z) : 0);
}
static double gradient(double y, double z) {
    return wrong ? sigmoid(z) - y : (1 - y) * sigmoid(z) - y * sigmoid(-z);
}

static int numbers(const char *line, const char *key, double *out) { // how many; -1: the test has no such key
    char quoted[64], *end;
    snprintf(quoted, sizeof quoted, "\"%s\": \"", key);
    const char *at = strstr(line, quoted);
    if (!at) return -1;
    int n = 0;
    for (at += strlen(quoted); *at != '"' && n < 64; at = end) out[n++] = strtod(at, &end);
    return n;
}

static int is_right(double got, double want, double tolerance) {
    return got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= tolerance;
}

int main(int argc, char **argv) {
    static char line[1 << 16];
    double y[64], z[64], w[64], want[2][64], tolerance[2][64];
    int ours = 0, tests = 0, failed = 0;
    FILE *file = fopen(argc > 1 ? argv[1] : "", "r");
    if (!file) return 2;
    for (wrong = argc > 2; fgets(line, sizeof line, file);) {
        if (!strncmp(line, "{\"parameters\"", 13)) // the line of a group
            ours = strstr(line, "\"pos_weight\": null") && strstr(line, "\"none\"") && strstr(line, "\"float64\"");
        if (!ours || strncmp(line, "{\"id\"", 5) || strstr(line, "\"MustRefuse\"")) continue;
        int n = numbers(line, "yhat_hex", z), bad = 0, weights = numbers(line, "weight_hex", w);
        numbers(line, "y_hex", y);
        const char *key[2][2] = {{"value_hex", "value_tolerance"}, {"gradient_hex", "gradient_tolerance"}};
        for (int k = 0; k < 2; k++)
            if (numbers(line, key[k][0], want[k]) >= 0 && numbers(line, key[k][1], tolerance[k]) >= 0)
                for (int i = 0; i < n; i++) {
                    double share = weights > 0 ? w[i] : 1, got = k ? gradient(y[i], z[i]) : value(y[i], z[i]);
                    bad += !is_right(share == 0 ? 0 : share * got, want[k][i], tolerance[k][i]);
                }
        if (bad) printf("FAIL %.*s\n", (int)(strchr(line + 8, '"') - line - 8), line + 8);
        tests++, failed += bad > 0;
    }
    printf("%d tests, %d failed\n", tests, failed);
    return failed > 0 || tests == 0;
}
