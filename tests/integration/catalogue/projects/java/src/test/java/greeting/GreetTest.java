package greeting;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import org.junit.Test;

public class GreetTest {
    @Test
    public void greets() {
        assertEquals("hello, world", Greet.greeting("world"));
    }

    @Test
    public void greetsNoOne() {
        assertThrows(ArrayIndexOutOfBoundsException.class, () -> Greet.main(new String[0]));
    }
}
