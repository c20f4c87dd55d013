// Runs the vectors of Huber on a C++ function with value, gradient and curvature, without a JSON library.
// c++ -std=c++17 consumer.cpp && ./a.out reflosses/data/vectors/huber.json
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

using Numbers = std::vector<double>;
bool wrong = false;  // a second argument: the linear piece without its ½ delta

Numbers huber(double y, double yhat, double delta) {  // value, gradient, curvature
    double r = yhat - y, a = std::abs(r);
    if (std::isnan(r)) return {r, r, r};
    if (a < delta) return {r * r / 2, r, 1};
    double slope = r < 0 ? -delta : delta;
    if (!std::isinf(a)) return {delta * (wrong ? a : a - delta / 2), slope, 0};
    return {2 * (delta * (std::abs(yhat / 2 - y / 2) - delta / 4)), slope, 0};  // yhat - y overflows
}

Numbers numbers(const std::string& line, const std::string& key) {  // none if the test has no such key
    Numbers out;
    auto at = line.find("\"" + key + "\": \"");
    const char* rest = at == std::string::npos ? "\"" : line.c_str() + at + key.size() + 5;
    for (char* end; *rest != '"'; rest = end) out.push_back(std::strtod(rest, &end));
    return out;
}

bool is_right(double got, double want, double tolerance) {
    return got == want || (std::isnan(got) && std::isnan(want)) || std::abs(got - want) <= tolerance;
}

int main(int argc, char** argv) {
    std::ifstream file(argc > 1 ? argv[1] : "");
    bool ours = false;
    double delta = 0, tests = 0, failed = 0;
    wrong = argc > 2;
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("{\"parameters\"", 0) == 0) {  // the line of a group
            ours = line.find("\"none\", \"format\": \"float64\"") != std::string::npos;
            delta = std::strtod(line.c_str() + line.find("\"delta\": ") + 9, nullptr);
        }
        if (!ours || line.rfind("{\"id\"", 0) || line.find("\"MustRefuse\"") != std::string::npos) continue;
        Numbers y = numbers(line, "y_hex"), yhat = numbers(line, "yhat_hex"), weight = numbers(line, "weight_hex");
        bool bad = false;
        for (int k = 0; k < 3; k++) {
            std::string what = std::vector<std::string>{"value", "gradient", "curvature"}[k];
            Numbers want = numbers(line, what + "_hex"), tolerance = numbers(line, what + "_tolerance");
            for (std::size_t i = 0; i < want.size(); i++) {
                double w = weight.empty() ? 1 : weight[i], got = huber(y[i], yhat[i], delta)[k];
                bad |= !is_right(w == 0 ? 0 : w * got, want[i], tolerance[i]);
            }
        }
        if (bad) std::cout << "FAIL " << line.substr(8, line.find('"', 8) - 8) << "\n";
        tests++, failed += bad;
    }
    std::cout << tests << " tests, " << failed << " failed\n";
    return failed > 0 || tests == 0;
}
