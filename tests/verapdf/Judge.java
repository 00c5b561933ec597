import java.io.File;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/** Is each file PDF/A-3b (ISO 19005-3)? One line each, then what is wrong; exit 1 if one is not. */
public class Judge {
    public static void main(String[] files) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        PDFAFlavour flavour = PDFAFlavour.PDFA_3_B;
        boolean all = true;
        for (String name : files) {
            try (PDFAParser parser = Foundries.defaultInstance().createParser(new File(name), flavour)) {
                ValidationResult result =
                        Foundries.defaultInstance().createValidator(flavour, false).validate(parser);
                boolean sound = result.isCompliant();
                System.out.println((sound ? "PASS " : "FAIL ") + result.getTotalAssertions());
                for (TestAssertion assertion : result.getTestAssertions()) {
                    if (assertion.getStatus() == TestAssertion.Status.FAILED) {
                        System.out.println(assertion.getRuleId().getClause() + " " + assertion.getMessage());
                    }
                }
                all &= sound;
            }
        }
        System.exit(all ? 0 : 1);
    }
}
