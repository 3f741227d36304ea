// Runs every JUnit test of the program's directory, and reports on descriptor 4 when all have ended.
//
// Its argument is that directory. The report is one line of JSON, {"tests": {Class#method: outcome}}, and
// "done". A method is what the worst of its invocations was; what fails around tests goes by its class.
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestSource;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.engine.support.descriptor.ClassSource;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

final class VerdictUnitTests implements TestExecutionListener {
    private static final int RECORD_DESCRIPTOR = 4;
    private static final List<String> WORST_LAST = List.of("passed", "skipped", "failed", "error");

    private final Map<String, String> outcomes = new TreeMap<>();
    private final PrintStream log = System.err;

    public static void main(String[] arguments) throws Exception {
        FileOutputStream record = new FileOutputStream(descriptor(RECORD_DESCRIPTOR));
        Set<Path> roots = Set.of(Path.of(arguments[0]));
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectClasspathRoots(roots))
                .build();
        VerdictUnitTests seen = new VerdictUnitTests();
        LauncherFactory.create().execute(request, seen);
        record.write((seen.report() + "\ndone").getBytes(StandardCharsets.UTF_8));
        record.close();
        System.exit(0);
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        result.getThrowable().ifPresent(cause -> cause.printStackTrace(log));
        switch (result.getStatus()) {
            case SUCCESSFUL:
                if (test.isTest()) note(test, "passed");
                break;
            case ABORTED:
                note(test, "skipped");
                break;
            default:
                note(test, test.isTest() ? "failed" : "error");
        }
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        note(test, "skipped");
    }

    private void note(TestIdentifier test, String outcome) {
        outcomes.merge(name(test), outcome, (a, b) -> WORST_LAST.indexOf(a) > WORST_LAST.indexOf(b) ? a : b);
    }

    private static String name(TestIdentifier test) {
        TestSource source = test.getSource().orElse(null);
        if (source instanceof MethodSource) {
            MethodSource method = (MethodSource) source;
            return method.getClassName() + "#" + method.getMethodName();
        }
        return source instanceof ClassSource ? ((ClassSource) source).getClassName() : test.getUniqueId();
    }

    private String report() {
        return outcomes.entrySet().stream()
                .map(entry -> quoted(entry.getKey()) + ": " + quoted(entry.getValue()))
                .collect(Collectors.joining(", ", "{\"tests\": {", "}}"));
    }

    private static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            boolean plain = c >= ' ' && c < 127 && c != '"' && c != '\\';
            json.append(plain ? String.valueOf(c) : String.format("\\u%04x", (int) c));
        }
        return json.append('"').toString();
    }

    private static FileDescriptor descriptor(int number) throws Exception {
        FileDescriptor made = new FileDescriptor();
        Field field = FileDescriptor.class.getDeclaredField("fd");
        field.setAccessible(true);
        field.setInt(made, number);
        return made;
    }
}
