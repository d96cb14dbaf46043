import java.io.File;
import javax.xml.XMLConstants;
import javax.xml.transform.stream.StreamSource;
import javax.xml.validation.SchemaFactory;

/** java Validate.java SCHEMA.xsd DOCUMENT.xml: exit 0 when the document is valid, else says why. */
class Validate {
    public static void main(String[] arguments) throws Exception {
        try {
            SchemaFactory.newInstance(XMLConstants.W3C_XML_SCHEMA_NS_URI)
                    .newSchema(new File(arguments[0]))
                    .newValidator()
                    .validate(new StreamSource(new File(arguments[1])));
        } catch (org.xml.sax.SAXException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
