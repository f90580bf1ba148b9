import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.StringWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import com.sun.source.util.JavacTask;

/** Answers each program on standard input with javac's errors: nothing is generated, loaded or run. */
public class JavaSyntaxServer {
    static final List<String> OPTIONS = Arrays.asList(
        "-proc:none", "-nowarn", "-Xlint:none", "-implicit:none", "-Xmaxerrs", "500",
        "-classpath", "", "-sourcepath", "", "-XDshould-stop.ifError=FLOW");

    static final class Source extends SimpleJavaFileObject {
        final String text;

        Source(String text) {
            super(URI.create("string:///Snippet.java"), Kind.SOURCE);
            this.text = text;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }

        @Override
        public boolean isNameCompatible(String simpleName, Kind kind) {
            return true; // a public class need not be in a file of its name
        }
    }

    public static void main(String[] arguments) throws Exception {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
        DataOutputStream out = new DataOutputStream(System.out);
        System.setOut(System.err);
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StandardJavaFileManager files = compiler.getStandardFileManager(null, Locale.ROOT, StandardCharsets.UTF_8);
        while (true) {
            int size;
            try {
                size = in.readInt();
            } catch (java.io.EOFException end) {
                return;
            }
            byte[] text = new byte[size];
            in.readFully(text);
            byte[] answer = answer(compiler, files, new String(text, StandardCharsets.UTF_8))
                .getBytes(StandardCharsets.UTF_8);
            out.writeInt(answer.length);
            out.write(answer);
            out.flush();
        }
    }

    static String answer(JavaCompiler compiler, StandardJavaFileManager files, String text) {
        DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
        StringBuilder answer = new StringBuilder();
        try {
            JavacTask task = (JavacTask) compiler.getTask(
                new StringWriter(), files, found, OPTIONS, null, Arrays.asList(new Source(text)));
            task.setLocale(Locale.ROOT);
            task.analyze();
        } catch (Throwable broken) { // javac itself gave up: an answer too, and the server lives on
            return "0\t0\tgave up: " + broken.getClass().getName() + "\n";
        }
        for (Diagnostic<?> one : found.getDiagnostics()) {
            if (one.getKind() == Diagnostic.Kind.ERROR) {
                String message = one.getCode() + ": " + one.getMessage(Locale.ROOT);
                answer.append(one.getLineNumber()).append('\t').append(one.getColumnNumber()).append('\t')
                    .append(message.replaceAll("\\s+", " ")).append('\n');
            }
        }
        return answer.toString();
    }
}
