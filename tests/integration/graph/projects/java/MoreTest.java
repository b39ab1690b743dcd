import static org.junit.Assert.assertEquals;

import org.apache.commons.codec.binary.Base32;
import org.junit.Test;

public class MoreTest {
    @Test
    public void aWordComesBack() {
        Base32 base = new Base32();
        assertEquals("a word", new String(base.decode(base.encodeToString("a word".getBytes()))));
    }
}
