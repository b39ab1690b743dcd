package greeting;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

public class Greet {
    public static String greeting(String name) {
        try (InputStream words = Greet.class.getResourceAsStream("/words.txt")) {
            String format = new String(words.readAllBytes(), StandardCharsets.UTF_8).strip();
            return String.format(format, name);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    public static void main(String[] names) {
        System.out.println(greeting(names[0]));
    }
}
