#include "greeting.h"

#include <array>
#include <iostream>
#include <stdexcept>
#include <string_view>
#include <thread>

static std::string_view greet(std::array<char, 64> &text, const char *name) {
    if (name == nullptr) throw std::invalid_argument("whom?");
    return {text.data(), static_cast<std::size_t>(greeting(text.data(), text.size(), name))};
}

int main(int count, char **arguments) try {
    std::array<char, 64> text;
    const auto said = greet(text, count > 1 ? arguments[1] : nullptr);
    std::thread([said] { std::cout << said << '\n'; }).join();
} catch (const std::invalid_argument &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
