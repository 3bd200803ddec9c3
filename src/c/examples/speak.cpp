// Speaks standard input as it comes, as floats on standard output:
//     echo "Turn left." | speak models/wren-en | aplay -q -f FLOAT_LE -r 24000
#include <cstdio>
#include <iostream>

#include "speaker.hpp"

int main(int argc, char **argv) try {
    if (argc != 2) return 2;
    syrinx::Speaker speaker(argv[1]);
    syrinx::Speech speech = speaker.speech();
    std::vector<float> pcm(speaker.block_samples());
    auto play = [&] {
        while (speech.next(pcm)) std::fwrite(pcm.data(), sizeof(float), pcm.size(), stdout);
    };
    for (std::string line; std::getline(std::cin, line); play()) speech.push(line + "\n");
    speech.finish();
    play();
} catch (const syrinx::Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
